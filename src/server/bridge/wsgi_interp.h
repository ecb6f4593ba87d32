#ifndef WSGI_INTERP_H
#define WSGI_INTERP_H

#include "base/wsgi_scopes.h"
#include "bridge/wsgi_script.h"
#include "bridge/wsgi_thread.h"

/**
 * Interpreters by application group. The main one exists from start on, the others are made by the first request
 * that names them and live until the process ends.
 */
struct wsgi_interp_t {
    wsgi_interp_t *next;        /* constant once published */
    wsgi_runtime_t *runtime;    /* constant */
    const char *name;           /* constant; "" = main */
    const char *label;          /* constant: "main interpreter" or "sub-interpreter 'x'" */
    wsgi_interp_options_t options; /* constant */
    int own_gil;                /* constant: it shares the GIL with no other interpreter */
    wsgi_turn_t turn;           /* of its GIL: that of the main interpreter unless it has one of its own */
    PyInterpreterState *state;  /* constant */
    PyThreadState *home;        /* constant; of a sub-interpreter: its first thread state, of no thread in particular;
                                   NULL in a free-threaded build */
    PyObject *module;           /* built-in module mod_wsgi; GIL */
    wsgi_pystate_t *pystate;    /* its state; constant until the end of the interpreter */
    wsgi_scripts_t scripts;
};

/** The main interpreter's record, for the thread state that Py_Initialize made. GIL: held. @return NULL: logged */
wsgi_interp_t *wsgi_interp_adopt_main(wsgi_runtime_t *runtime, wsgi_thread_t *thread);

/**
 * Find an interpreter or make it. GIL: not held; blocks while another thread makes one.
 * @return NULL after logging why (WSGI0035, WSGI0103); the next call tries again
 */
wsgi_interp_t *wsgi_interp_acquire(wsgi_thread_t *thread, const char *name);

/**
 * Attach the calling thread to an interpreter: take its GIL. wsgi_interp_leave() gives it back.
 * @return 0, or -1 after logging WSGI0191
 */
int wsgi_interp_enter(wsgi_thread_t *thread, wsgi_interp_t *interp);
void wsgi_interp_leave(void);

/** The same for a request, which waits for its turn first. One made during another of its thread has that one's. */
int wsgi_interp_enter_in_turn(wsgi_thread_t *thread, wsgi_interp_t *interp);
void wsgi_interp_leave_in_turn(wsgi_thread_t *thread);

/**
 * End a sub-interpreter: join its non-daemon threads, run its atexit functions, destroy it.
 * GIL: held, of the main interpreter; also on return. No request may be running.
 * @return 0 if it could not be destroyed because threads are alive in it
 */
int wsgi_interp_destroy(wsgi_thread_t *thread, wsgi_interp_t *interp);

/**
 * Join the non-daemon threads of the current interpreter, for settings->join_timeout at most, and run its atexit
 * functions, without ending it. GIL: held.
 * @return 0 if a thread did not end in time
 */
int wsgi_interp_run_down(wsgi_interp_t *interp);

#endif
