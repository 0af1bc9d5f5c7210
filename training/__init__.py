"""How the bundled models were made: data, renders, training and evaluation. The library never imports this."""
