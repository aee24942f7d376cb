using System.Globalization;

namespace Portmap.Fleet;

/// <summary>A host of the fleet in this process: a registry of numbers nobody listens on, and its
/// part of the fleet.</summary>
internal sealed class Member : IAsyncDisposable
{
    private readonly PortSession? _session;

    public Member(string name, string endpoints, bool isPublishing, string prefix = "/portmap/v1")
    {
        if (isPublishing)
        {
            Registry = new PortRegistry(new PortRegistryOptions { Probe = false, VerifyListening = false, Ports = "20000-29999" });
            _session = Registry.OpenSession(Environment.ProcessId);
        }

        Fleet = new PortmapFleet(new PortmapFleetOptions { Endpoints = endpoints, Host = name, Prefix = prefix, RequestTimeout = TimeSpan.FromSeconds(30), Mirror = !isPublishing }, Registry);
    }

    public PortRegistry? Registry { get; }

    public PortmapFleet Fleet { get; }

    public static string Owner(int i) => string.Create(CultureInfo.InvariantCulture, $"vol{i / 100}:/bricks/b{i}");

    public void Register(string owner, int port)
    {
        if (!_session!.TryRegister(new PortClaimRequest(owner, port), out _, out PortRefusal? refusal))
        {
            throw new InvalidOperationException(refusal.Message);
        }
    }

    public void Release(string owner) => _session!.TryRelease(owner, out _);

    /// <summary>Waits until etcd is told of everything.</summary>
    public async Task PublishedAsync()
    {
        while (!Fleet.Status.IsPublished)
        {
            await Task.Delay(1);   // not a spin: etcd and the publisher need the cores
        }
    }

    public async ValueTask DisposeAsync()
    {
        await Fleet.DisposeAsync();
        if (Registry is not null)
        {
            await Registry.DisposeAsync();
        }
    }
}
