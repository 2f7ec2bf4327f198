//! Labs on clusters that are there already: what is looked at, what is refused, what is shown, what is made and what is left.

mod kind;
mod plan;
