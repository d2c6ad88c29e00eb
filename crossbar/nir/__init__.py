"""Networks as graphs of the Neuromorphic Intermediate Representation, in and out.

NIR says of neurons what they are in continuous time. Here they take steps of dt by forward Euler,
as in the frameworks that write such graphs, and a membrane is counted in thresholds, u = v / v_thr:

    LIF      leaky              u[t] = (1 - dt/tau) u[t-1] + (dt/tau) r x[t] / v_thr
    IF       leaky, beta = 1    u[t] = u[t-1] + dt r x[t] / v_thr
    CubaLIF  lif                i[t+1] = (1 - dt/tau_syn) i[t] + (dt/tau_syn) w_in x[t]
                                u[t+1] = (1 - dt/tau_mem) u[t] + (dt/tau_mem) r i[t] / v_thr
    LI       leaky_integrator   v[t+1] = (1 - dt/tau) v[t] + (dt/tau) r x[t], no tau_syn
    CubaLI   leaky_integrator   as CubaLIF, v in place of u
    I        integrator         v[t+1] = v[t] + dt r x[t]

The factors of x[t], one for each neuron, are multiplied into the weights that drive it; decays are
one number for a layer. After a spike a LIF or IF begins the next step at 0, as NIR has v_reset; in
a graph whose node says so (metadata `reset` = `subtract`) it loses the threshold instead. A CubaLIF
stays at 0 for the step that follows its spike. Leaks lead to 0 and neurons begin there.

Source:
    J. E. Pedersen et al., Nature Communications 15, 8122, 2024, and nir 1.0.8.
"""

DT_SECONDS = 1e-4  # of a graph that says no step: that of the source and of snnTorch
