# Shortcuts for https://github.com/casey/just; none is needed to build or run gittix.

# Runs the server.
serve *flags:
    cargo run --release -- {{flags}}

# Runs the tests that need nothing else installed.
test:
    cargo test

# Runs everything that continuous integration checks.
ci:
    .ci/run
