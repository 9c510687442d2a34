"""Lightning on random data: it saves by itself, where it is told to."""

import os
import sys
import time

import lightning
import torch
from lightning.pytorch.callbacks import ModelCheckpoint

from dllab_hub.runtime.resume import newest

STEPS, EVERY = int(sys.argv[1]), int(os.environ["DLLAB_CHECKPOINT_EVERY"])


class Data(torch.utils.data.Dataset):
    def __len__(self):
        # Ten batches for each of two ranks. Lightning restores no place within an epoch, so it is
        # asked to save at the ends of epochs.
        return 160

    def __getitem__(self, n):
        x = torch.randn(16, generator=torch.Generator().manual_seed(n))
        return x, x.sum().reshape(1)


class Net(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.layers = torch.nn.Sequential(
            torch.nn.Linear(16, 32), torch.nn.Tanh(), torch.nn.Linear(32, 1)
        )

    def loss(self, batch):
        x, y = batch
        return ((self.layers(x) - y) ** 2).mean()

    def training_step(self, batch, _):
        time.sleep(0.05)
        return self.loss(batch)

    def configure_optimizers(self):
        return torch.optim.AdamW(self.parameters(), lr=0.01)


lightning.seed_everything(1, verbose=False)
saves = ModelCheckpoint(
    os.environ["DLLAB_CHECKPOINT_DIR"], every_n_train_steps=EVERY, save_top_k=-1
)
trainer = lightning.Trainer(
    accelerator="cpu",
    devices=int(os.environ.get("LOCAL_WORLD_SIZE", "1")),
    strategy="ddp",
    max_steps=STEPS,
    callbacks=[saves],
    logger=False,
    enable_progress_bar=False,
    enable_model_summary=False,
)
found = newest("lightning")
if trainer.is_global_zero:
    print("FROM", 0 if found is None else found.partition("-step=")[2].split(".")[0], flush=True)
net = Net()
# In order: Lightning's own sampler shuffles by the epoch, and is told the wrong one when a training
# is resumed for the second time (2.6.6).
sampler = torch.utils.data.DistributedSampler(
    Data(), int(os.environ["WORLD_SIZE"]), int(os.environ["RANK"]), shuffle=False
)
loader = torch.utils.data.DataLoader(Data(), batch_size=8, sampler=sampler)
trainer.fit(net, loader, ckpt_path=found)
if trainer.is_global_zero:
    with torch.no_grad():
        x, y = zip(*(Data()[n] for n in range(64)), strict=True)
        print("FINAL", repr(net.loss((torch.stack(x), torch.stack(y))).item()), flush=True)
