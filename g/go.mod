module millrace/franz
go 1.24
