"""The settings of the least training that is one: nothing compiles for long."""

# A plain generator; 10 images are 3 steps an epoch.
TINY = (
    "--model=abp",
    "--side=32",
    "--channels=1",
    "--appearance_dim=2",
    "--alpha=0.1",
    "--batch_size=4",
    "--langevin_steps=1",
    "--checkpoint_epochs=1",
    "--picture_epochs=1000",
    "--appearance_scheme=2",
    "--sigma=1",
)
