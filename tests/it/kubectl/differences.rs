//! The list of known differences.

/// Where it is, from the root of the repository.
pub const FILE: &str = "docs/kubectl-differences.md";

/// The cases that may differ: rows `| part: case | what differs | why |` of the table.
pub struct Listed(Vec<String>);

impl Listed {
    pub fn read() -> Self {
        let text = std::fs::read_to_string(format!("{}/{FILE}", env!("CARGO_MANIFEST_DIR"))).unwrap();
        let rows = text.lines().filter(|it| it.starts_with("| ")).skip(1);
        let cells = rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect::<Vec<_>>());
        Self(
            cells
                .map(|cells| {
                    assert!(cells.len() == 3 && cells.iter().all(|it| !it.is_empty()), "{FILE}: {cells:?} is no row");
                    cells[0].to_owned()
                })
                .collect(),
        )
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|it| it == name)
    }

    pub fn names(&self) -> impl Iterator<Item = &String> {
        self.0.iter()
    }
}
