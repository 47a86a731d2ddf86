//! pyro-vmm
