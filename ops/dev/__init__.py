"""`transfers dev`: all processes in one terminal, on fixed ports, with data that is kept between runs.

`folder` is where the data is, `stream` shows what the processes log, `settings` writes what a backend reads. The
processes are those of `ops.demo.stage`.
"""
