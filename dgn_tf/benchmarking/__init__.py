"""What `dgn_tf.benchmark` measures: steps, warps, phases, growth with size, peaks."""
