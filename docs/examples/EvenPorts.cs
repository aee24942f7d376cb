using Portmap;

namespace Examples;

/// <summary>A strategy of a host's own: even ports first.</summary>
public sealed class EvenPorts : IPortAllocationStrategy
{
    public string Name => "EvenPorts";

    public int Pick(PortSearch search)
    {
        int first = search.FindFree(search.Ports[0].First);
        int found = first;
        for (int i = 0; i < search.Ports.Sum(range => range.Count) && found % 2 != 0; i++)
        {
            found = search.FindFree(found + 1);
        }

        return found % 2 == 0 ? found : first;   // first: an odd port, or Nothing
    }
}

/// <summary>How it is chosen.</summary>
public static class EvenPortsOptions
{
    public static PortRegistryOptions Make() => new PortRegistryOptions { Ports = "50000-50999", Strategy = "EvenPorts" }.AddStrategy(new EvenPorts());
}
