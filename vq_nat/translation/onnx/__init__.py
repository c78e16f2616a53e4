"""A latent model as fixed graphs: their operators, export, and ONNX Runtime."""
