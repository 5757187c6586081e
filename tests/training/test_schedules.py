"""Schedules: which value holds at which learning step."""

import keras
import numpy as np
import pytest
import tensorflow as tf

from dgn_tf.training.schedules import RunSchedule

PAPER = "0:1e-3,0.1:8e-4,0.2:6e-4,0.3:5e-4,0.4:4e-4,0.5:3e-4,0.7:2e-4,0.9:1e-4"


def test_the_papers_learning_rate_changes_exactly_at_its_epochs():
    schedule = RunSchedule(PAPER, 1000)
    boundaries = [0, 100, 200, 300, 400, 500, 700, 900, 1000]
    rates = [1e-3, 8e-4, 6e-4, 5e-4, 4e-4, 3e-4, 2e-4, 1e-4]
    for start, end, rate in zip(boundaries[:-1], boundaries[1:], rates, strict=True):
        for step in (start, end - 1):
            np.testing.assert_allclose(schedule(step), rate, rtol=1e-6)
    np.testing.assert_allclose(schedule(5000), 1e-4, rtol=1e-6)


def test_a_number_holds_for_the_whole_run():
    schedule = RunSchedule("0.25", 10)
    assert [float(schedule(step)) for step in (0, 5, 10, 99)] == [0.25] * 4


def test_a_short_run_rounds_its_boundaries():
    schedule = RunSchedule("0:4,0.3:3,0.7:2", 5)  # at 1.5 and 3.5, to even numbers
    assert [float(schedule(step)) for step in range(5)] == [4, 4, 3, 3, 2]


def test_steps_of_every_kind_inside_a_graph():
    schedule = RunSchedule("0:2,0.5:1", 10)
    compiled = tf.function(schedule)
    for step, value in ((4, 2), (5, 1)):
        assert compiled(tf.constant(step)) == value
        assert compiled(tf.constant(step, tf.int64)) == value
        assert schedule(tf.Variable(step, dtype=tf.int64)) == value
    assert compiled(tf.constant(0)).dtype == tf.float32


def test_a_scale_variable_acts_after_the_graph_was_made():
    scale = tf.Variable(1.0)
    compiled = tf.function(RunSchedule("0:2,0.5:1", 10, scale))
    assert compiled(tf.constant(0)) == 2
    scale.assign(0.25)
    assert compiled(tf.constant(0)) == 0.5
    assert compiled(tf.constant(9)) == 0.25


def test_an_optimizer_follows_the_schedule_and_saves_it():
    optimizer = keras.optimizers.SGD(RunSchedule("0:1,0.5:0.25", 4))
    weight = keras.Variable(0.0)
    optimizer.build([weight])
    path = []
    for _ in range(4):
        optimizer.apply_gradients([(tf.constant(-1.0), weight)])
        path.append(float(weight))
    assert path == [1, 2, 2.25, 2.5]
    again = keras.optimizers.SGD.from_config(optimizer.get_config())
    again.build([weight])
    assert float(again.learning_rate) == 1
    again.iterations.assign(2)
    assert float(again.learning_rate) == 0.25


def test_unreadable_text_is_refused_when_made():
    with pytest.raises(ValueError, match="'0.5:1'"):
        RunSchedule("0.5:1", 10)
