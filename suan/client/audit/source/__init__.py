"""Where an audit reads: a node that proves what it says, and published evidence that is checked before it is believed."""
