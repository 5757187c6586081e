"""What every room uses: errors, files, locks, checksums, progress."""
