"""The README's training, from Python: two epochs of a small network, weights read out at the end."""

from crossbar.datasets import load_dataset
from crossbar.datasets.encode import encode_for
from crossbar.experiment.config import Training
from crossbar.experiment.trainer import Trainer
from crossbar.snn.network import Network
from device_models.presets import load_device


def main() -> None:
    """Train, watching each epoch, and look at the conductances."""
    config = Training(device="oxram.yaml", epochs=2, network=Network(ei="80:20", hidden=50))
    images = load_dataset("fashion_mnist", notice=print)
    trainer = Trainer(config, load_device(config.device), encode_for(images, config.network))
    trainer.start()  # manufactures the devices and programs the first weights
    while trainer.epoch < config.epochs:
        for _ in trainer.run_epoch():  # yields after every batch
            pass
        row = trainer.rows[-1]
        print(f"epoch {row['epoch']}: {row['test_accuracy']:.1%}, {row['pulses']} pulses")
    print("mean conductance of the hidden layer, siemens:", float(trainer.conductances()[0].mean()))
    print("readout weights:", trainer.weights()[-1].shape)


if __name__ == "__main__":
    main()
