import io.netty.bootstrap.ServerBootstrap;
import io.netty.buffer.PooledByteBufAllocator;
import io.netty.channel.Channel;
import io.netty.channel.ChannelHandler.Sharable;
import io.netty.channel.ChannelHandlerContext;
import io.netty.channel.ChannelInboundHandlerAdapter;
import io.netty.channel.ChannelInitializer;
import io.netty.channel.ChannelOption;
import io.netty.channel.ChannelPipeline;
import io.netty.channel.EventLoopGroup;
import io.netty.channel.ServerChannel;
import io.netty.channel.epoll.Epoll;
import io.netty.channel.epoll.EpollEventLoopGroup;
import io.netty.channel.epoll.EpollServerSocketChannel;
import io.netty.channel.nio.NioEventLoopGroup;
import io.netty.channel.socket.SocketChannel;
import io.netty.channel.socket.nio.NioServerSocketChannel;
import io.netty.handler.codec.LengthFieldBasedFrameDecoder;
import io.netty.handler.codec.LengthFieldPrepender;
import io.netty.handler.codec.LineBasedFrameDecoder;
import io.netty.handler.codec.MessageToByteEncoder;
import io.netty.buffer.ByteBuf;
import java.net.InetSocketAddress;

/**
 * Echo on netty, as its own examples have it: write in channelRead, flush in channelReadComplete, pooled buffers, one event
 * loop, and epoll through JNI where that can be loaded.
 *
 * <p>java EchoServer raw|framed|line [loops] prints the port it got and serves 127.0.0.1 until it is killed.
 */
public final class EchoServer {
    private static final int MAX_FRAME = 16 * 1024 * 1024; // bytes, as for the framed server of pipeline_net
    private static final int MAX_LINE = 1024 * 1024; // bytes

    @Sharable
    private static final class Echo extends ChannelInboundHandlerAdapter {
        @Override
        public void channelRead(ChannelHandlerContext ctx, Object msg) {
            ctx.write(msg, ctx.voidPromise());
        }

        @Override
        public void channelReadComplete(ChannelHandlerContext ctx) {
            ctx.flush();
        }

        @Override
        public void exceptionCaught(ChannelHandlerContext ctx, Throwable cause) {
            ctx.close(); // the load generator has hung up
        }
    }

    @Sharable
    private static final class NewlineEncoder extends MessageToByteEncoder<ByteBuf> {
        @Override
        protected void encode(ChannelHandlerContext ctx, ByteBuf line, ByteBuf out) {
            out.writeBytes(line).writeByte('\n');
        }
    }

    private static ChannelInitializer<SocketChannel> initializer(String work) {
        final Echo echo = new Echo();
        final NewlineEncoder newline = new NewlineEncoder();
        final LengthFieldPrepender prepender = new LengthFieldPrepender(4);
        return new ChannelInitializer<SocketChannel>() {
            @Override
            protected void initChannel(SocketChannel channel) {
                ChannelPipeline pipeline = channel.pipeline();
                if (work.equals("framed")) {
                    pipeline.addLast(new LengthFieldBasedFrameDecoder(MAX_FRAME, 0, 4, 0, 4), prepender);
                } else if (work.equals("line")) {
                    pipeline.addLast(new LineBasedFrameDecoder(MAX_LINE), newline);
                } else if (!work.equals("raw")) {
                    throw new IllegalArgumentException("no such work: " + work);
                }
                pipeline.addLast(echo);
            }
        };
    }

    public static void main(String[] arguments) throws InterruptedException {
        String work = arguments[0];
        int loops = arguments.length > 1 ? Integer.parseInt(arguments[1]) : 1;
        boolean isNative = Epoll.isAvailable();
        EventLoopGroup group = isNative ? new EpollEventLoopGroup(loops) : new NioEventLoopGroup(loops);
        Class<? extends ServerChannel> kind =
                isNative ? EpollServerSocketChannel.class : NioServerSocketChannel.class;
        Channel server = new ServerBootstrap()
                .group(group)
                .channel(kind)
                .option(ChannelOption.SO_BACKLOG, 1024)
                .childOption(ChannelOption.TCP_NODELAY, true)
                .childOption(ChannelOption.ALLOCATOR, PooledByteBufAllocator.DEFAULT)
                .childHandler(initializer(work))
                .bind("127.0.0.1", 0)
                .sync()
                .channel();
        System.out.println(((InetSocketAddress) server.localAddress()).getPort());
        System.err.println(isNative ? "epoll through JNI" : "NIO: " + Epoll.unavailabilityCause());
        server.closeFuture().sync();
    }
}
