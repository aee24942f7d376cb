using Fleet;

// Without arguments: the demo. It runs itself again in a network of its own, and its daemons are
// this program as well.
return args switch
{
    [] => await Network.RunInsideAsync(),
    [Network.Inside] => await Demo.RunAsync(),
    [Daemon.Command, string name, string address, string endpoints] => await Daemon.RunAsync(name, address, endpoints),
    _ => Usage(),
};

static int Usage()
{
    Console.Error.WriteLine("Fleet: run it without arguments.");
    return 2;
}
