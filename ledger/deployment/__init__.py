"""Contracts compiled (`compile`) and deployed (`deploy`): for the command that deploys, and for nobody that serves."""
