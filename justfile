# The recipes are what CI does, cheap first.
ci: fmt clippy test

fmt:
    cargo fmt --check

clippy:
    cargo clippy --all-targets -- -D warnings

test:
    cargo test

# Accept what changed in snapshots after reading it.
snapshots:
    INSTA_UPDATE=always cargo test
