"""What other packages take to work with raskr's arrays, one module for each of them."""
