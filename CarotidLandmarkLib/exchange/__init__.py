"""Other tools' data sets and answers, one file a tool."""
