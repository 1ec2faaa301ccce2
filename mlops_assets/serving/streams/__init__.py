"""Predictions for the messages of a stream: readings in from one topic, predictions out to another.

Comes in: messages, at least once. Goes out: for each message one prediction or one dead letter, and the prediction log
that the API writes too. The checks, features and numbers are those of `POST /predict`.

    scorer   one message: its prediction, or why there is none
    output   what the output topics have already, so that a message that comes again writes nothing
    kafka    the loop: consume, predict, produce, log, commit
    metrics  what Prometheus reads
"""
