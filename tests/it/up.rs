//! Labs that others can reach: over sockets, by name, from the library and from the command line.

mod access;
mod command;
mod library;
mod run;
mod wire;
