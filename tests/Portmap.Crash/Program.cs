using System.Globalization;
using System.Text;
using Portmap;
using Portmap.Crash;
using Portmap.TestKit.Crashes;

if (args is ["obey", var stateFolder, var range])
{
    await Obeying.RunAsync(stateFolder, range);
    return;
}

if (args[0] == "supervise")
{
    await Supervise.RunAsync(args[1], args[2], args[3..]);
    return;
}

// crash FOLDER PORTS SEED THREADS PID...   : a daemon under Confirmed that does what comes to it until it is killed. The processes are shared out among the threads.
string folder = args[0], ports = args[1];
int seed = int.Parse(args[2], CultureInfo.InvariantCulture), threads = int.Parse(args[3], CultureInfo.InvariantCulture);
int[] processes = [.. args[4..].Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
using Stream output = Console.OpenStandardOutput();
await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions
{
    Ports = ports,
    StateFolder = folder,
    LeaseTimeout = TimeSpan.FromHours(24),
    ReuseDelay = TimeSpan.Zero,
    Probe = false,
});
CrashMix[] mixes = [.. processes.Chunk(processes.Length / threads).Select((own, number) => new CrashMix(registry, number, own, Say))];
Say("open\n");
await Task.WhenAll(mixes.Select((mix, number) => Task.Run(async () =>
{
    Random random = new(seed + number);
    while (true)
    {
        await mix.StepAsync(random);
    }
})));

void Say(string lines)
{
    // One write each: a line is there whole or not at all when the process is killed.
    output.Write(Encoding.ASCII.GetBytes(lines));
}
