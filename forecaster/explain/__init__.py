"""What forecasts are made of, what a trained network pays attention to, and how far back its gradient reaches.

- `explain_forecasts`: contributions to the forecasts of a run or a file, which add up to them
- `contributions`: the contributions to one forecast, as tables
- `importance`: increase of the error in validation where an input is permuted
- `known_inputs`: what is known at some origins, and forecasts from other inputs in its place
- `input_groups`: which inputs are replaced together, and by what
- `window_components`: windows as sums of reference, level, season and parts
- `shapley`: Shapley values, exact or from sampled orders
- `attention`: attention weights of a run
- `attention_weights`: attention over one series, as a table
- `similar_series`: nearest series by the embedding of a run
- `diagnose`: gradient norms of a run's network before and after training
- `state_gradients`: measures the gradient of the loss with respect to recurrent states
- `gradient_norms`: norms by steps back: vanishing, exploding or healthy, half-life
- `gradient_advice`: sentences on the norms, and what to change in the config
- `plots`: contributions, importance, heat maps of attention, and gradient norms
"""
