"""Potentiates one cell of an array through PyVISA and draws its conductance after every pulse.

xbar serve --device oxram.yaml &
python examples/potentiate_with_pyvisa.py             # needs: pip install pyvisa pyvisa-py
"""

import sys

import matplotlib.pyplot as plt
import pyvisa

ADDRESS = sys.argv[1] if len(sys.argv) > 1 else "TCPIP0::127.0.0.1::5025::SOCKET"
try:
    board = pyvisa.ResourceManager("@py").open_resource(
        ADDRESS, read_termination="\n", write_termination="\n"
    )
    print(board.query("*IDN?"))
except Exception as e:  # noqa: BLE001  # pyvisa-py raises errors of every kind
    print(
        f"no instrument at {ADDRESS} ({e}); xbar serve --device oxram.yaml starts one; nothing was "
        "sent", file=sys.stderr,
    )  # fmt: skip
    sys.exit(2)
board.write("*RST;:OUTPUT ON")
siemens = [float(board.query("PULS:READ? 3,5,1.2,100 ns,0.2")) for _ in range(100)]
print(f"{siemens[0]:.3g} S after one pulse, {siemens[-1]:.3g} S after 100")
print(board.query("SYST:ERR?"))
board.close()
plt.plot(siemens, ".-")
plt.xlabel("SET pulses of 1.2 V, 100 ns")
plt.ylabel("conductance of cell 3!5 (S)")
plt.savefig("potentiation.png")
