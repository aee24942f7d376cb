using System.Net;
using System.Net.Sockets;
using Portmap.Rpc.Protocol;
using Portmap.Rpc.Xdr;

namespace Portmap.Rpc.Tests.Programs;

/// <summary>
/// Which addresses a process listens on is told over the wire, as the registry tells it.
/// </summary>
public class AddressesTests
{
    [Fact]
    public async Task Lookup_ServerOnOneAddress_TellsTheAddress()
    {
        int port = PortBlock.TakeOne();
        await using Harness harness = new(registryOptions: new PortRegistryOptions { LivenessInterval = TimeSpan.FromMilliseconds(100) });
        await using PortmapClient client = harness.OpenClient();
        using Socket listening = new(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        listening.Bind(new IPEndPoint(IPAddress.Loopback, port));
        listening.Listen();
        await client.RegisterAsync(new PortClaimRequest("b1", port)).Within();

        await KnownAsync(harness.Registry).Within();

        (await client.GetEntryAsync("b1").Within())!.Value.Addresses.Should().Be("127.0.0.1");
        (await client.SnapshotAsync().Within()).Entries.Single(entry => entry.Owner == "b1").Addresses.Should().Be("127.0.0.1");
    }

    [Theory]
    [InlineData("", "")]
    [InlineData("*", "*")]
    [InlineData("127.0.0.1, ::1", "127.0.0.1, ::1")]
    public void Entry_WithAddresses_CrossesWithThem(string addresses, string read) => Read(addresses).Should().Be(read);

    [Fact]
    public void Entry_WithMoreAddressesThanCross_EndsAfterAWholeOneAndSaysThatThereAreMore()
    {
        string all = string.Join(", ", Enumerable.Range(0, 254).Select(i => $"2001:db8:0:1:2:3:4:{i:x}"));

        string read = Read(all);

        System.Text.Encoding.UTF8.GetByteCount(read).Should().BeInRange(900, 1_024);
        read.Should().EndWith(", …");
        all.Should().StartWith(read[..^1] + "2001:db8:0:1:2:3:4:");
    }

    private static string Read(string addresses)
    {
        XdrWriter writer = new();
        PortmapXdr.WriteEntry(writer, new PortEntry { Owner = "b1", Addresses = addresses });
        XdrReader reader = new(writer.Written.ToArray());
        string read = PortmapXdr.ReadEntry(ref reader).Addresses;
        reader.Remaining.Should().Be(0);
        return read;
    }

    private static async Task KnownAsync(PortRegistry registry)
    {
        while (!(registry.TryGetEntry("b1", out PortEntry entry) && entry.Addresses.Length > 0))
        {
            await Task.Yield();
        }
    }
}
