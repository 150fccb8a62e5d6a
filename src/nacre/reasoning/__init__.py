"""Program-aided reasoning and the interpreter that runs the programs."""
