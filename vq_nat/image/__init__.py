"""Pixels → codes → pixels: the room of the image model, which is still empty.

It will own CIFAR-10 data, a convolutional autoencoder around the same bottleneck that
translation uses, a prior over the grid of codes, their losses in bits per dimension,
and sampling. It may import the bottleneck's door, `compat`, fairseq and torch, but
nothing of `vq_nat.translation`.
"""
