"""The stages of the forward chain: each makes its part of a data set whole, or completes it."""
