//! Only the examples matter: those named after a driver alone fill the table in a file, the others in Postgres.
