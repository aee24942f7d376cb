using Portmap.Storm;
using Portmap.Storm.Weather;
using Portmap.Storm.Workers;

// The storm: who still gets a process to listen while everybody else takes ports? See
// benchmarks/STORM.md.
//
//   dotnet run -c Release --project benchmarks/Portmap.Storm            all of it, with the chart in artifacts/storm
//   dotnet run -c Release --project benchmarks/Portmap.Storm -- ci      briefly, with expectations
//   dotnet run -c Release --project benchmarks/Portmap.Storm -- starts [MS]  what a worker costs at its start, MS at most
//
// Exit codes: 0 done, 1 an expectation was missed or it broke off, 2 bad arguments, 64 not offered
// here (no network namespace).
return args switch
{
    [] or ["ci"] or [StartsCommand.Verb, ..] => await StormNamespace.RunInsideAsync(args),
    [StormNamespace.Inside, StartsCommand.Verb, .. var most] => await StartsCommand.RunAsync(most),
    [StormNamespace.Inside, .. var rest] => await StormCommand.RunAsync(rest is ["ci"] ? StormPlan.Brief : StormPlan.Full),
    [WorkerCommand.Verb] => await WorkerCommand.RunAsync(),
    [StartCommand.Verb, .. var port] => await StartCommand.RunAsync(port),
    [PassedCommand.Verb] => await PassedCommand.RunAsync(),
    [PassersBy.Verb] => PassersBy.Run(),
    [Adversary.Verb] => Adversary.Run(),
    _ => BadArguments(),
};

static int BadArguments()
{
    Console.Error.WriteLine("storm: takes no argument, 'ci' or 'starts [MS]'.");
    return ExitCode.BadArguments;
}
