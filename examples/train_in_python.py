"""The README's training, from Python: two epochs of a small network, weights read out at the end."""

from crossbar.datasets import fashion_mnist
from crossbar.datasets.encode import encode
from crossbar.experiment.config import Training
from crossbar.experiment.trainer import Trainer
from crossbar.snn.network import Network
from device_models.presets import load_device


def main() -> None:
    """Train, watching each epoch, and look at the conductances."""
    config = Training(device="oxram.yaml", epochs=2, network=Network.of(ei="80:20", hidden=50))
    images = fashion_mnist.load(notice=print)
    trainer = Trainer(config, load_device(config.device), encode(images, config.plan))
    trainer.start()  # manufactures the devices and programs the first weights
    while trainer.epoch < config.epochs:
        for _ in trainer.run_epoch():  # yields after every batch
            pass
        row = trainer.rows[-1]
        print(f"epoch {row['epoch']}: {row['test_accuracy']:.1%}, {row['pulses']} pulses")
    hidden, readout = trainer.layers
    print("mean conductance of the hidden layer, siemens:", float(hidden.board.state.g.mean()))
    print("readout weights:", readout.effective().weights.shape)


if __name__ == "__main__":
    main()
