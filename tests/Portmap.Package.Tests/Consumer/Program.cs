using Consumer;

return args switch
{
    ["daemon", string endpoint, string ports, string address] => await Daemon.RunAsync(endpoint, ports, address),
    ["worker", string address] => await Worker.RunAsync(address),
    _ => 2,
};
