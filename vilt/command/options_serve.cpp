// Options of `vilt serve`.
#include "vilt/command/options.h"

namespace tessera::command {

void add_serve(CLI::App& app, Action& action) {
  CLI::App* command = add_command(app, "serve", "Opens a page to ask a model: a local web server, with a JSON API",
                                  "vilt serve --model runs/scenes --folder photos");
  auto arguments = std::make_shared<ServeArguments>();
  add_model(command, arguments->model);
  command->add_option("--folder", arguments->folder,
                      "Folder of pictures that may be chosen and searched, with the folders in it; links are not "
                      "followed, and nothing outside of it is read");
  command->add_option("--listen", arguments->listen,
                      "Address to listen on (default 127.0.0.1: this machine alone); there is no password");
  add_count(command, "--port", arguments->port, "Port (default 8080); 0: any that is free, which is printed");
  command
      ->add_option("--name", arguments->names,
                   "Name that browsers may ask the server by, beside localhost and addresses; may be repeated")
      ->expected(1)
      ->allow_extra_args(false)
      ->take_all();
  add_count(command, "--batch", arguments->batch,
            "Pairs of text and picture that are run together, of all requests that wait (default 32)");
  add_count(command, "--connections", arguments->connections, "At once; more are refused (default 64)");
  add_count(command, "--rate", arguments->rate,
            "Requests a second of one address, in a mean over ten seconds (default 10,000)");
  add_count(command, "--timeout", arguments->timeout, "Seconds for a request, with its answer (default 30)");
  add_count(command, "--megabytes", arguments->megabytes, "Of a picture's file (default 16)");
  add_count(command, "--megapixels", arguments->megapixels, "Of a picture (default 50)");
  command->add_flag("--respect-orientation", arguments->respect_orientation,
                    "Turns pictures as their EXIF orientation says (the authors' pipeline does not)");
  command->add_flag("--quiet", arguments->quiet, "No line for each request on standard error");
  command->callback([arguments, &action] { action = [arguments] { return run_serve(*arguments); }; });
}

}  // namespace tessera::command
