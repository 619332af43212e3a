"""``glance3d finetune``: what comes before training on data of one's own."""
