"""Trainings recorded in MLflow, or for TensorBoard."""
