module example.org/maestro/load

go 1.21
