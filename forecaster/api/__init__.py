"""What the package offers to Python on pandas frames, and what its functions share with the commands."""
