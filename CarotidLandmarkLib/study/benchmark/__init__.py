"""The paper's Table 1 and its ablations on phantoms: every row trained and measured on equal terms."""
