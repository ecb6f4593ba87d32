#ifndef WSGI_HANDLER_H
#define WSGI_HANDLER_H

/** The content handler: refuse a request, run it in this process, or send it to a process group. */
void wsgi_handler_register(void);

#endif
