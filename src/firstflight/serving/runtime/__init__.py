"""What runs inside a model server; imported there alone, but for what stands here."""

PREDICTOR = "firstflight.serving.runtime.predictor.Predictor"
"""What loads a registered folder, as MLServer's settings name it."""
