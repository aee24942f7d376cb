using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Portmap.Integration.Tests;

/// <summary>One ONC RPC call as bytes on a socket, written down here a second time so that the
/// server is not tested with its own code.</summary>
internal static class RawCall
{
    private const uint LastFragment = 0x8000_0000;

    /// <summary>Sends one call and reads its reply.</summary>
    /// <returns>The results: what follows the accepted header, whose status must be
    /// SUCCESS.</returns>
    public static async Task<byte[]> InvokeAsync(EndPoint endpoint, uint program, uint version, uint procedure, byte[] arguments)
    {
        using Socket socket = new(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Unspecified);
        await socket.ConnectAsync(endpoint).Within();
        await using NetworkStream stream = new(socket);
        byte[] call = [.. Words(7, 0, 2, program, version, procedure, 0, 0, 0, 0), .. arguments];
        await stream.WriteAsync((byte[])[.. Words(LastFragment | (uint)call.Length), .. call]).Within();

        byte[] mark = new byte[4];
        await stream.ReadExactlyAsync(mark).Within();
        byte[] reply = new byte[BinaryPrimitives.ReadUInt32BigEndian(mark) & ~LastFragment];
        await stream.ReadExactlyAsync(reply).Within();
        reply[..24].Should().Equal(Words(7, 1, 0, 0, 0, 0), "the call is accepted and succeeds");
        return reply[24..];
    }

    public static byte[] Words(params uint[] words)
    {
        byte[] bytes = new byte[4 * words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            BinaryPrimitives.WriteUInt32BigEndian(bytes.AsSpan(4 * i), words[i]);
        }

        return bytes;
    }

    public static byte[] Opaque(byte[] bytes) => [.. Words((uint)bytes.Length), .. bytes, .. new byte[-bytes.Length & 3]];

    public static byte[] Opaque(string text) => Opaque(Encoding.UTF8.GetBytes(text));
}
