"""What a trained network pays attention to, and how far back its gradient reaches.

- `explain`: attention weights and neighboring embeddings of a run
- `attention_weights`: attention over one series, as a table
- `diagnose`: gradient norms of a run's network before and after training
- `state_gradients`: measures the gradient of the loss with respect to recurrent states
- `gradient_norms`: norms by steps back: vanishing, exploding or healthy, half-life
- `gradient_advice`: sentences on the norms, and what to change in the config
- `plots`: heat maps of attention, and gradient norms
"""
