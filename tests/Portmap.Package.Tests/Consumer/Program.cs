using Consumer;

return args switch
{
    ["daemon", string endpoint, string ports, string address] => await Daemon.RunAsync(endpoint, ports, address),
    ["worker", string address] => await Worker.RunAsync(address),
    ["allocations", string socket] => await Allocations.RunAsync(socket),
    _ => 2,
};
