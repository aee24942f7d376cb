using System.Globalization;
using System.Text;
using Portmap;
using Portmap.Crash;

if (args is ["obey", var stateFolder, var range])
{
    await Obeying.RunAsync(stateFolder, range);
    return;
}

// crash FOLDER PORTS SEED PID...   : a daemon under Confirmed, one thread for each process, that does what comes to it until it is killed.
// It says what it is about to do before it does it, and that it was acknowledged afterwards, each with one write:
//   "> OWNER VERB"   begun      "= OWNER bound PORT EPOCH lease PORT EPOCH"   acknowledged, with what the owner has now (0 0: nothing)
if (args[0] == "supervise")
{
    await Supervise.RunAsync(args[1], args[2], args[3..]);
    return;
}

string folder = args[0], ports = args[1];
int seed = int.Parse(args[2], CultureInfo.InvariantCulture);
int[] processes = [.. args[3..].Select(text => int.Parse(text, CultureInfo.InvariantCulture))];
using Stream output = Console.OpenStandardOutput();
await using PortRegistry registry = await PortRegistry.OpenAsync(new PortRegistryOptions
{
    Ports = ports,
    Strategy = "AllocatorPicks",
    StateFolder = folder,
    LeaseTimeout = TimeSpan.FromHours(24),
    ReuseDelay = TimeSpan.Zero,
    Probe = false,
});
Dictionary<string, Owner> owners = [];
foreach (PortEntry entry in registry.Snapshot(out _))
{
    Owner owner = owners.TryGetValue(entry.Owner, out Owner? known) ? known : owners[entry.Owner] = new Owner();
    if (entry.State == PortState.Reserved)
    {
        owner.Lease = (entry.Port, entry.Epoch);
    }
    else if (entry.State == PortState.Recovered)
    {
        owner.Bound = (entry.Port, entry.Epoch);
    }
}

Say($"open\n");
Thread[] threads = [.. processes.Select((process, number) => new Thread(() => Run(number, process).GetAwaiter().GetResult()))];
foreach (Thread thread in threads)
{
    thread.Start();
}

foreach (Thread thread in threads)
{
    thread.Join();
}

async Task Run(int number, int process)
{
    Random random = new(seed + number);
    PortSession session = registry.OpenSession(process);
    PortRange own = new(40_000 + (number * 4), 40_003 + (number * 4));   // ports a process brings itself; several of its owners may share one
    while (true)
    {
        string name = string.Create(CultureInfo.InvariantCulture, $"t{number}/{random.Next(4)}");
        Owner owner;
        lock (owners)
        {
            owner = owners.TryGetValue(name, out Owner? known) ? known : owners[name] = new Owner();
        }

        int choice = random.Next(10);
        try
        {
            if (owner.Lease.Epoch == 0 && choice < 4)
            {
                Say($"> {name} acquire\n");
                PortLease lease = await registry.AcquireAsync(name);
                owner.Lease = (lease.Port, lease.Epoch);
            }
            else if (owner.Lease.Epoch != 0 && choice < 5)
            {
                Say($"> {name} register\n");
                PortEntry entry = await session.RegisterAsync(name, owner.Lease.Port, owner.Lease.Epoch);
                (owner.Bound, owner.Lease) = ((entry.Port, entry.Epoch), default);
            }
            else if (owner.Lease.Epoch != 0 && choice < 6)
            {
                Say($"> {name} giveback\n");
                await session.ReleaseAsync(name, epoch: owner.Lease.Epoch);
                owner.Lease = default;
            }
            else if (choice < 8 && owner.Lease.Epoch == 0)
            {
                Say($"> {name} replace\n");
                PortEntry entry = await session.RegisterAsync(name, random.Next(own.First, own.Last + 1));
                owner.Bound = (entry.Port, entry.Epoch);
            }
            else if (owner.Bound.Epoch != 0)
            {
                Say($"> {name} release\n");
                await session.ReleaseAsync(name, owner.Bound.Port);
                owner.Bound = default;
            }
            else
            {
                continue;
            }
        }
        catch (PortRefusedException refused) when (refused.Refusal.Reason == PortRefusalReason.Exhausted)
        {
            // Nothing has changed, and that is acknowledged.
        }

        Say($"= {name} bound {owner.Bound.Port} {owner.Bound.Epoch} lease {owner.Lease.Port} {owner.Lease.Epoch}\n");
    }
}

void Say(FormattableString text)
{
    // One write each: a line is there whole or not at all when the process is killed.
    output.Write(Encoding.ASCII.GetBytes(text.ToString(CultureInfo.InvariantCulture)));
}

internal sealed class Owner
{
    public (int Port, long Epoch) Bound { get; set; }

    public (int Port, long Epoch) Lease { get; set; }
}
