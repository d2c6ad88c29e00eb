"""The README's training, from Python: two epochs of a small network, then its weights read out."""

import crossbar as xb

if __name__ == "__main__":
    settings = xb.Training(device="oxram.yaml", epochs=2, network=xb.Network.of(hidden=50))
    run = xb.train(settings)
    print(f"{run.folder}: {run.summary['test_accuracy']:.1%}, {run.summary['pulses']} pulses")
    for weights, siemens in zip(run.trainer.weights(), run.trainer.conductances(), strict=True):
        print(weights.shape, "mean siemens:", siemens.mean())
