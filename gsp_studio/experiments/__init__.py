"""Tables and sweeps: several runs of the solver, compared."""
