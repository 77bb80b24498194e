"""Networks: U-Net, centre of mass, Loc-Net and the multi-scale Loc-Net, with their weights."""
