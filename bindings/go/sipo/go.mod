module sipo

go 1.19
